from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from dockcfgd.api import contract
from dockcfgd.api.service import property_values
from dockcfgd.model.status import Status


def interface() -> ET.Element:
    node = ET.fromstring(contract.interface_xml())  # noqa: S314 -- the project's own file
    assert node.get("name") == contract.OBJECT_PATH
    found = node.find("interface")
    assert found is not None
    assert found.get("name") == contract.INTERFACE
    return found


def signature(member: ET.Element, direction: str | None = None) -> str:
    return "".join(
        argument.get("type", "")
        for argument in member.findall("arg")
        if direction is None or argument.get("direction") == direction
    )


def test_the_interface_file_has_the_names_that_others_rely_on() -> None:
    methods = {
        method.get("name"): (signature(method, "in"), signature(method, "out"))
        for method in interface().findall("method")
    }
    assert methods == {
        "GetStatus": ("", "s"),
        "Plan": ("a(ss)", "s"),
        "Apply": ("a(ss)a{sv}", "s"),
        "Rollback": ("ua{sv}", "s"),
        "Confirm": ("s", ""),
        "Cancel": ("s", ""),
        "Pause": ("s", ""),
        "Resume": ("", ""),
        "CreateBackup": ("a{sv}", "s"),
        "Restore": ("sa{sv}", "s"),
        "PruneBackups": ("a{sv}", "s"),
        "StorageRollback": ("a{sv}", "s"),
        "StoragePrune": ("a{sv}", "s"),
    }
    signals = {signal.get("name"): signature(signal) for signal in interface().findall("signal")}
    assert signals == {"StatusChanged": "s", "Progress": "sstts", "TransactionFinished": "ss"}


def test_all_declared_properties_have_a_value() -> None:
    types = {item.get("name"): item.get("type") for item in interface().findall("property")}
    values = property_values(Status(version="0.1.0", pid=1, since=0.0))
    plain = {name: "s" if isinstance(value, str) else "u" for name, value in values.items()}
    assert types == {**plain, "ConfirmDeadline": "t"}


def test_everything_declared_is_documented() -> None:
    for kind in ("method", "signal"):
        for member in interface().findall(kind):
            names = [note.get("name") for note in member.findall("annotation")]
            assert "org.gtk.GDBus.DocString" in names, member.get("name")


@pytest.mark.parametrize(
    "name", ["10-a.toml", "a.toml", "with blank.toml", "ümlaut.toml", "x" * 250 + ".toml"]
)
def test_plain_names_are_taken(name: str) -> None:
    assert list(contract.complaints([(name, "")])) == []


@pytest.mark.parametrize(
    "name",
    ["", ".toml", ".a.toml", "a.conf", "a.toml~", "../a.toml", "/a.toml", "a/b.toml", "a\n.toml",
     "a\0.toml", "x" * 251 + ".toml", "ü" * 126 + ".toml", "\ud800.toml"],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    (complaint,) = contract.complaints([(name, "")])
    assert complaint.startswith("cannot take a file named ")


def test_sizes_and_counts_are_bounded() -> None:
    limit = contract.MAX_FILE_BYTES
    assert list(contract.complaints([("a.toml", "x" * limit)])) == []
    assert list(contract.complaints([("a.toml", "x" * (limit + 1))])) == [
        "cannot take a.toml: it has more than 1048576 bytes"
    ]
    assert list(contract.complaints([("a.toml", "ü" * (limit // 2 + 1))])) == [
        "cannot take a.toml: it has more than 1048576 bytes"
    ]
    many = [(f"{number}.toml", "") for number in range(1001)]
    assert list(contract.complaints(many[:1000])) == []
    assert list(contract.complaints(many)) == ["cannot take 1001 files: 1000 is the limit"]


def test_a_name_may_come_once() -> None:
    (complaint,) = contract.complaints([("a.toml", "x"), ("a.toml", "y")])
    assert complaint == "cannot take two files named a.toml: in conf.d there can only be one"
