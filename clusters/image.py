"""The images of containers: which there are, by content, and building those that are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from docker import DockerClient
from docker.errors import ImageNotFound

from clusters.command import Launch
from clusters.compose import Compose
from clusters.engine import connect
from clusters.errors import ClusterError, ImageMissing
from clusters.program import Files


def image_id(client: DockerClient, tag: str) -> str | None:
    """Return the SHA-256 of an image's content and settings; None when there is no such image."""
    try:
        return str(client.images.get(tag).id).removeprefix("sha256:")
    except ImageNotFound:
        return None


def files_of_image(tag: str) -> Files | None:
    """Return an image as what an instance runs: its tag and content; None when there is none.

    Raises: ClusterError when no engine answers.
    """
    engine = connect()
    try:
        found = image_id(engine.client, tag)
        return None if found is None else ((tag, found),)
    finally:
        engine.close()


def build_missing(
    client: DockerClient, compose: Compose, launches: Sequence[Launch], say: Callable[[str], None]
) -> tuple[ClusterError, ...]:
    """Build every image that is not there, each once, and return a fault for each that cannot be built."""
    faults: list[ClusterError] = []
    for tag, service in {launch.image: launch.name for launch in reversed(launches)}.items():
        if tag is None or image_id(client, tag) is not None:
            continue
        say(f"image {tag} is not there; it is built, which takes minutes the first time")
        why = compose.build(service)
        if why is not None or image_id(client, tag) is None:
            faults.append(
                ImageMissing(
                    f"image {tag} is not there and cannot be built; without a hub `make images` builds it, and "
                    f"TWIN_DOCKERFILE=Dockerfile.prebuilt takes what that built. {why or 'compose built another one'}"
                )
            )
    return tuple(faults)
