from typing import get_args

import pytest
from yarl import URL

from server.backends.hosted.target import is_near
from server.backends.hosted.vendors import VENDORS, Vendor, vendor_at
from server.config import VendorName


def test_every_vendor_that_the_settings_know_is_described():
    assert set(VENDORS) == set(get_args(VendorName))


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=lambda vendor: vendor.title)
def test_an_address_ends_where_the_format_begins(vendor: Vendor):
    addresses = [address for address in (vendor.openai, vendor.anthropic) if address]
    assert addresses
    for address in addresses:
        assert not address.endswith("/")
        assert is_near(URL(address).host or "") is vendor.local
        assert address.startswith("http://127.0.0.1:" if vendor.local else "https://")


def test_a_provider_is_known_by_its_address_and_a_local_server_is_not():
    assert vendor_at("openrouter.ai") is VENDORS["openrouter"]
    assert vendor_at("api.anthropic.com") is VENDORS["anthropic"]
    for host in ("127.0.0.1", "router.ai", "models.invalid", ""):
        assert vendor_at(host) is None
