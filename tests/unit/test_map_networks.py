"""Whose an address is: the longest prefix, the files of the table, and the lists that companies publish."""

import ipaddress
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.operations.network_lists import refresh_networks
from orchestrator.operations.request import RequestError
from providers.base import ProviderError
from providers.discovery.network_files import network_table, refreshed_owners, shipped_owners
from providers.discovery.networks import NetworkOwner, NetworkTable
from providers.discovery.published import read_published


def owner(name: str, *prefixes: str) -> NetworkOwner:
    return NetworkOwner(name, name, "test", "2026-11-25", True, prefixes)


def test_the_longest_prefix_wins() -> None:
    table = NetworkTable(
        [
            owner("wide", "10.0.0.0/8", "2001:db8::/32"),
            owner("inner", "10.1.0.0/16", "10.1.2.3/32"),
            owner("innermost", "10.1.2.0/24", "2001:db8:1::/48"),
        ]
    )
    found = {
        "9.255.255.255": None,
        "10.0.0.0": "wide",
        "10.1.0.0": "inner",
        "10.1.2.3": "inner",
        "10.1.2.4": "innermost",
        "10.1.3.0": "inner",
        "10.2.0.0": "wide",
        "11.0.0.0": None,
        "2001:db8:1::9": "innermost",
        "2001:db8:2::9": "wide",
        "::ffff:10.1.2.4": "innermost",
        "nothing": None,
    }
    for address, name in found.items():
        held = table.find(address)
        assert (held.owner if held else None) == name, address


small = st.builds(
    lambda address, length: str(ipaddress.ip_network((address << 24, length), strict=False)),
    st.integers(0, 15),
    st.integers(4, 12),
)


@given(st.lists(small, max_size=12, unique=True), st.integers(0, 2**28 - 1))
def test_it_finds_what_a_search_through_all_of_them_finds(prefixes: list[str], number: int) -> None:
    table = NetworkTable([owner(f"n{at}", prefix) for at, prefix in enumerate(prefixes)])
    address = ipaddress.ip_address(number)
    holding = [ipaddress.ip_network(one) for one in prefixes if address in ipaddress.ip_network(one)]
    held = table.find(str(address))
    assert (held.prefix if held else None) == (str(max(holding, key=lambda one: one.prefixlen)) if holding else None)


def test_the_shipped_table_has_sources_and_dates(tmp_path: Path) -> None:
    for one in shipped_owners():
        assert one.source.startswith("https://")
        assert one.date >= "2025"
        assert one.prefixes
    table = network_table(tmp_path)
    for address, name in {
        "40.107.1.1": "microsoft-365",
        "20.33.0.1": "azure",
        "104.16.3.4": "cloudflare",
        "8.8.8.8": "google",
        "51.15.2.3": "scaleway",
        "2001:41d0::5": "ovhcloud",
        "5.9.1.1": "hetzner",
    }.items():
        held = table.find(address)
        assert held is not None
        assert held.owner == name


LISTS = {
    "aws": {"prefixes": [{"ip_prefix": "192.0.2.0/25"}], "ipv6_prefixes": [{"ipv6_prefix": "2001:db8::/33"}]},
    "google-cloud": {
        "prefixes": [{"ipv4Prefix": "192.0.2.0/25", "service": "Google Cloud"}, {"ipv6Prefix": "2001:db8::/33"}]
    },
    "google": {"prefixes": [{"ipv4Prefix": "192.0.2.0/25"}, {"ipv6Prefix": "2001:db8::/33"}]},
    "azure": {
        "values": [
            {"name": "Sql", "properties": {"addressPrefixes": ["198.51.100.0/24"]}},
            {"name": "AzureCloud", "properties": {"addressPrefixes": ["192.0.2.0/25", "2001:db8::/33"]}},
        ]
    },
    "github": {"hooks": ["192.0.2.0/25"], "web": ["2001:db8::/33"], "actions": ["198.51.100.0/24"]},
    "fastly": {"addresses": ["192.0.2.0/25"], "ipv6_addresses": ["2001:db8::/33"]},
    "oracle-cloud": {"regions": [{"cidrs": [{"cidr": "192.0.2.0/25"}, {"cidr": "2001:db8::/33"}]}]},
}


@pytest.mark.parametrize("name", LISTS)
def test_each_published_form_is_read(name: str) -> None:
    assert read_published(json.dumps(LISTS[name]).encode()) == {name: ("192.0.2.0/25", "2001:db8::/33")}


def test_the_sovereign_cloud_in_the_list_of_its_parent_is_told_apart() -> None:
    entries = [
        {"ip_prefix": "192.0.2.0/25", "region": "eu-west-3"},
        {"ip_prefix": "192.0.2.128/25", "region": "eusc-de-east-1"},
    ]
    text = json.dumps({"prefixes": entries}).encode()
    assert read_published(text) == {"aws": ("192.0.2.0/25",), "aws-eusc": ("192.0.2.128/25",)}
    assert read_published(text, "all-of-it") == {"all-of-it": ("192.0.2.0/24",)}


def test_a_plain_list_is_joined_and_needs_a_name() -> None:
    text = b"# ours\n192.0.2.0/25\n192.0.2.128/25, rest\n\n"
    assert read_published(text, "cloudflare") == {"cloudflare": ("192.0.2.0/24",)}
    with pytest.raises(ProviderError, match=r"ips-v4 does not say whose prefixes it lists; give it as NAME=ips-v4"):
        read_published(text, "", "ips-v4")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "lists no prefix"),
        (b"\xff\xfe\x00", "is no text"),
        (b'{"prefixes": ', "is no complete JSON"),
        (b'{"other": 1}', "is in none of the forms that are known"),
        (b"<html>", "holds something that is no prefix"),
        (b'{"addresses": [5, {}]}', "holds something that is no prefix"),
    ],
)
def test_what_is_no_list_is_said_in_a_sentence(text: bytes, says: str) -> None:
    with pytest.raises(ProviderError, match=says) as error:
        read_published(text, "x", "place")
    assert error.value.permanent
    assert "place" in error.value.message


def test_refreshed_lists_stand_in_place_of_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "v4").write_text("203.0.113.0/24\n")
    (tmp_path / "v6").write_text("2001:db8::/32\n")
    lists = [f"cloudflare={tmp_path}/v4", f"cloudflare={tmp_path}/v6"]
    (made,) = refresh_networks(tmp_path / "data", lists, 0.0)
    assert (made.title, made.date, made.prefixes) == ("Cloudflare", "1970-01-01", ("203.0.113.0/24", "2001:db8::/32"))
    table = network_table(tmp_path / "data")
    assert table.find("203.0.113.9") is not None
    assert table.find("104.16.3.4") is None
    assert table.find("51.15.2.3") is not None
    (tmp_path / "v4").write_text("nonsense")
    with pytest.raises(RequestError, match="no prefix"):
        refresh_networks(tmp_path / "data", [f"ours={tmp_path}/v6", *lists], 0.0)
    assert [one.name for one in refreshed_owners(tmp_path / "data")] == ["cloudflare"]
    (tmp_path / "data" / "networks.json").write_text("{")
    with pytest.raises(ProviderError, match="write it anew with `bascule map --refresh-networks`"):
        network_table(tmp_path / "data")
