# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the component tests."""

import pytest

import bus


def pytest_collection_modifyitems(items):
    """The slow ones first, so that all workers end together."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def where(tmp_path):
    """For a bus.Host, where one can be had."""
    bus.require()
    return tmp_path
