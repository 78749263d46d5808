"""The load: closed-loop stages that seats carry to the twins, inside Locust.

The fifth step of the flow, beside the watch. Imports nothing here: the pure part must not bring Locust's patching.

    pure       stages -> schedule (in which order) -> pacing (when), seats (who), tally and gathering (what was counted)
    a process  station (its seats) <- order .. report -> gathering; templates, targets (what is asked, and where)
    a run      options, preparation (checked first), conductor (sweep after sweep), hand_driver, channel_driver
    gevent     connection (one kept socket a seat), recorder
    Locust     seat_user, crews, runs, wiring

Errors: SwarmError and NoTargetsError in targets; a failed request is a record, RequestError stays inside.
"""
