"""Sizes, images and quotas at Outscale, and how tags are carried there before they are tags."""

import base64
from collections.abc import Iterator

import pytest

from providers.base import ProviderError, Tag
from providers.compute.driver import Order, Resource
from providers.compute.outscale_marks import GENERATIONS, in_section, tokens_of, with_section, without_section
from providers.compute.proof import tags_of
from tests.outscale_stand_in import OutscaleStandIn, outscale_stand_in

TAGS = tags_of(Tag("r-20261125-abcdef", "portal/server.new"))
DEBIAN = "ami-0d0b1202"
ORDER = Order("portal", "tinav5.c2r4p2", DEBIAN, TAGS)


@pytest.fixture
def cloud() -> Iterator[OutscaleStandIn]:
    with outscale_stand_in() as stand_in:
        yield stand_in


class TestCatalogue:
    """Sizes, images and quotas."""

    def test_offers_have_prices_and_tina_sizes(self, cloud: OutscaleStandIn) -> None:
        offers = {offer.name: offer for offer in cloud.driver().ex_offers()}
        assert (offers["m5.large"].cpu, offers["m5.large"].memory, offers["m5.large"].hourly) == (2, 8.6, 0.112)
        assert (offers["tinav6.c2r4p2"].cpu, offers["tinav6.c2r4p2"].memory) == (2, 4.3)
        assert offers["tinav6.c2r4p2"].hourly == pytest.approx(2 * 0.039 + 4 * 0.005)

    def test_prices_in_dollars_are_left_out(self, cloud: OutscaleStandIn) -> None:
        driver = cloud.driver()
        driver.region = "us-east-2"
        assert [offer.hourly for offer in driver.ex_offers()] == [None] * 4

    @pytest.mark.parametrize(
        ("name", "image"),
        [
            ("debian-12", DEBIAN),
            ("debian-13", "ami-0d0b1301"),
            ("ubuntu-24.04", "ami-0b240401"),
            ("Debian-12-2025.10.06-0", "ami-0d0b1201"),
            ("ami-0c090101", "ami-0c090101"),
            ("hardened", "ami-0c090101"),
        ],
    )
    def test_images_by_any_name(self, cloud: OutscaleStandIn, name: str, image: str) -> None:
        driver = cloud.driver(images={"hardened": "RockyLinux-9-2026.01.12-0"})
        assert driver.ex_image(name) == image

    @pytest.mark.parametrize("name", ["debian-1", "debian-99", "ami-ffffffff", "Debian-12"])
    def test_an_image_that_is_not_there_names_what_is_near(self, cloud: OutscaleStandIn, name: str) -> None:
        with pytest.raises(ProviderError, match=r"Debian-12-2026\.01\.12-0") as caught:
            cloud.driver().ex_image(name)
        assert caught.value.permanent

    def test_quotas(self, cloud: OutscaleStandIn) -> None:
        cloud.driver().ex_create(ORDER)
        quotas = {quota.resource: quota for quota in cloud.driver().ex_quotas()}
        assert (quotas[Resource.SERVERS].used, quotas[Resource.SERVERS].limit) == (1, 20)
        assert (quotas[Resource.CPU].used, quotas[Resource.CPU].limit) == (2, 60)
        assert quotas[Resource.MEMORY].used == 4.3
        assert quotas[Resource.ADDRESSES].limit is None


class TestMarks:
    """What carries tags before they are there."""

    def test_a_section_goes_there_and_back(self) -> None:
        sent = with_section("#cloud-config\na: 1\n", "portal", TAGS)
        name, tags = in_section(sent)
        assert (name, frozenset(tags)) == ("portal", TAGS)
        left = without_section(sent)
        assert left is not None
        assert base64.b64decode(left) == b"#cloud-config\na: 1\n"
        assert without_section(left) is None

    def test_user_data_cannot_forge_a_section(self) -> None:
        forged = with_section(None, "x", tags_of(Tag("r-other", "theirs")))
        text = base64.b64decode(forged).decode()
        _, tags = in_section(with_section(text, "portal", TAGS))
        assert frozenset(tags) == TAGS

    def test_tokens_are_one_a_step_and_generation(self) -> None:
        tokens = tokens_of("server", TAGS) + tokens_of("volume", TAGS)
        tokens += tokens_of("server", tags_of(Tag("r-20261125-abcdef", "portal/server")))
        assert len(set(tokens)) == 3 * GENERATIONS
        assert all(len(token) == 47 and token.isascii() for token in tokens)
