"""Native users: Locust users in Python whose sockets, HTTP and clock are the engine's.

`swarm.native.user.NativeHttpUser` takes FastHttpUser's place in a locustfile. Importing this package imports nothing.

user -> session -> heads, addresses, cookies -> wire -> the engine's client
            `----> journey: redirects, cookies, retries and failures, for the answers that need them
            `----> FastHttpSession itself, for what the engine does not speak (docs/engine.md)
"""
