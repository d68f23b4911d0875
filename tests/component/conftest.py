# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the component tests."""

import pytest

import bus


@pytest.fixture
def where(tmp_path):
    """For a bus.Host, where one can be had."""
    bus.require()
    return tmp_path
