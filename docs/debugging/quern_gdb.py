"""Shows Quern's tensors and views in gdb: (gdb) source docs/debugging/quern_gdb.py

    (gdb) print x
    $1 = Tensor<float, 2> [3, 4] cpu = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}

`set print elements N` says how many elements are shown; 0 shows all of them.
"""
import re

import gdb
import gdb.printing


class Printer:
    """Of a tensor or a view: one line, as gdb shows an array."""

    def __init__(self, value, name, extents, data, where, note=""):
        self.head = "%s %s%s%s" % (name, extents, " " + where if where else "", note)
        self.extents, self.data = extents, data

    def to_string(self):
        if self.data is None:
            return self.head
        limit = gdb.parameter("print elements") or float("inf")
        try:
            return self.head + " = " + show(self.data, self.extents, 0, limit)[0]
        except gdb.MemoryError:
            return self.head + " at unreadable " + str(self.data)


def show(data, extents, first, limit):
    """The elements from the one at `first` on, and how many there were. No more than `limit` in all are read."""
    if not extents:
        return element(data[first]), 1
    size = 1
    for extent in extents[1:]:
        size *= extent
    parts, read = [], 0
    for i in range(extents[0]):
        if first + i * size >= limit:
            parts.append("...")
            break
        text, count = show(data, extents[1:], first + i * size, limit)
        parts.append(text)
        read += count
    return "{" + ", ".join(parts) + "}", read


def element(value):
    """bf16 is the upper half of a float."""
    if value.type.strip_typedefs().code != gdb.TYPE_CODE_STRUCT:
        return str(value)
    import struct
    return "%g" % struct.unpack("<f", struct.pack("<I", int(value["bits"]) << 16))[0]


def numbers(array, rank):
    """The extents: a plain array, or a std::array, whose first member is one. It has none where the rank is 0."""
    if rank and array.type.strip_typedefs().code != gdb.TYPE_CODE_ARRAY:
        array = array[array.type.strip_typedefs().fields()[0]]
    return [int(array[i]) for i in range(rank)]


def parts_of(value):
    """Element type and rank of Tensor<T, Rank> or View<T, Rank>."""
    kind = value.type.strip_typedefs().unqualified()
    return kind.template_argument(0), int(kind.template_argument(1))


def short(name):
    return re.sub(r"quern::(v\w+::)?", "", name)


def tensor(value):
    element_type, rank = parts_of(value)
    name = "Tensor<%s, %d>" % (short(str(element_type)), rank)
    if "Recorded<" in str(element_type):
        inner = tensor(value["value_"])
        inner.head = "%s slot %d, %s" % (name, int(value["slot_"]), inner.head)
        return inner
    extents = numbers(value["shape_"]["extents"], rank)
    block = value["storage_"]["block_"]
    if int(block) == 0:
        return Printer(value, name, extents, None, "", " empty")
    device = block["device"]
    on_cpu = int(device["kind"]) == 0
    data = block["elements"].cast(element_type.pointer()) if on_cpu else None
    parameter = block["name"].format_string(max_elements=0)
    parameter = parameter.strip('"') if parameter.startswith('"') else ""  # without printers for std::string
    where = "cpu" if on_cpu else "cuda:%d" % int(device["index"])
    return Printer(value, name, extents, data, where, " (%s)" % parameter if parameter else "")


def view(value):
    element_type, rank = parts_of(value)
    name = "View<%s, %d>" % (short(str(element_type)), rank)
    return Printer(value, name, numbers(value["extents"], rank), value["data"], "")


def shape(value):
    rank = int(value.type.strip_typedefs().unqualified().template_argument(0))
    return Printer(value, "Shape", numbers(value["extents"], rank), None, "")


printers = gdb.printing.RegexpCollectionPrettyPrinter("quern")
printers.add_printer("Tensor", r"^quern::(v\w+::)?Tensor<.*>$", tensor)
printers.add_printer("View", r"^quern::(v\w+::)?View<.*>$", view)
printers.add_printer("Shape", r"^quern::(v\w+::)?Shape<.*>$", shape)
gdb.printing.register_pretty_printer(gdb.current_objfile(), printers, replace=True)
