"""An image's id is asked for once in some minutes, for each scope's entry, until a creation with it is refused."""

import pytest

from providers.base import ProviderError
from providers.compute.images import KEPT_SECONDS, Images

LIVE, DRILL = {"driver": "scaleway", "project": "live"}, {"driver": "scaleway", "project": "drill"}


class Cloud:
    """Answers with a new id each time."""

    def __init__(self) -> None:
        self.asked = 0
        self.clock = 0.0

    def ask(self, name: str) -> str:
        self.asked += 1
        return f"{name}-{self.asked}"


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def images(cloud: Cloud) -> Images:
    return Images(lambda: cloud.clock)


def test_an_id_is_kept_for_its_entry_and_name(images: Images, cloud: Cloud) -> None:
    assert [images.id_of(LIVE, "debian-12", cloud.ask) for _ in range(3)] == ["debian-12-1"] * 3
    assert images.id_of(DRILL, "debian-12", cloud.ask) == "debian-12-2"
    assert images.id_of(LIVE, "debian-13", cloud.ask) == "debian-13-3"


def test_it_is_asked_for_again_later(images: Images, cloud: Cloud) -> None:
    images.id_of(LIVE, "debian-12", cloud.ask)
    cloud.clock = KEPT_SECONDS
    assert images.id_of(LIVE, "debian-12", cloud.ask) == "debian-12-2"


def test_it_is_asked_for_again_once_it_was_refused(images: Images, cloud: Cloud) -> None:
    images.id_of(LIVE, "debian-12", cloud.ask)
    images.forget(LIVE, "debian-12")
    assert images.id_of(LIVE, "debian-12", cloud.ask) == "debian-12-2"


def test_a_failure_is_not_kept(images: Images, cloud: Cloud) -> None:
    def fail(name: str) -> str:
        raise ProviderError(f"There is no image {name}.", permanent=True)

    with pytest.raises(ProviderError):
        images.id_of(LIVE, "debian-12", fail)
    assert images.id_of(LIVE, "debian-12", cloud.ask) == "debian-12-1"
