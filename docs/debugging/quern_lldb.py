"""Shows Quern's tensors and views in lldb: (lldb) command script import docs/debugging/quern_lldb.py

    (lldb) print x
    (quern::Tensor<float, 2>) $0 = [3, 4] cpu = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}

At most `settings show target.max-children-count` elements are shown.
"""
import re

import lldb


def number(value):
    """A whole number, or what lldb prints; bf16 is the upper half of a float."""
    bits = value.GetChildMemberWithName("bits")
    if bits.IsValid():
        import struct
        return "%g" % struct.unpack("<f", struct.pack("<I", bits.GetValueAsUnsigned() << 16))[0]
    return value.GetValue() or "?"


def show(data, extents, first, limit):
    """The elements from the one at `first` on; none from `limit` on is read."""
    if not extents:
        element = data.GetType().GetPointeeType()
        address = data.GetValueAsUnsigned() + first * element.GetByteSize()
        return number(data.CreateValueFromAddress("element", address, element))
    size = 1
    for extent in extents[1:]:
        size *= extent
    parts = []
    for i in range(extents[0]):
        if first + i * size >= limit:
            parts.append("...")
            break
        parts.append(show(data, extents[1:], first + i * size, limit))
    return "{" + ", ".join(parts) + "}"


def child(value, *names):
    for name in names:
        value = value.GetChildMemberWithName(name)
    return value


def plain(value):
    """Without what other printers would make of it. Members of a reference are those of what it refers to."""
    return value.GetNonSyntheticValue()


def type_of(value):
    found = value.GetType()
    if found.IsReferenceType():
        found = found.GetDereferencedType()
    return found.GetUnqualifiedType().GetCanonicalType()


def rank_of(value):
    return int(re.search(r"(\d+)\s*>$", type_of(value).GetName()).group(1))


def numbers(array, rank):
    """The extents: a plain array, or a std::array, whose only member is one."""
    while array.GetNumChildren() == 1 and array.GetType().GetArrayElementType().GetByteSize() == 0:
        array = array.GetChildAtIndex(0)
    return [array.GetChildAtIndex(i).GetValueAsSigned() for i in range(rank)]


def with_elements(value, head, extents, data):
    limit = value.GetTarget().GetDebugger().GetInternalVariableValue("target.max-children-count",
                                                                     value.GetTarget().GetDebugger().GetInstanceName())
    return "%s = %s" % (head, show(data, extents, 0, int(limit.GetStringAtIndex(0) or 256)))


def tensor(value, _):
    value = plain(value)
    if "Recorded<" in type_of(value).GetName():
        return "slot %d, %s" % (child(value, "slot_").GetValueAsSigned(), tensor(child(value, "value_"), None))
    rank = rank_of(value)
    extents = numbers(plain(child(value, "shape_", "extents")), rank) if rank else []
    block = child(value, "storage_", "block_")
    if block.GetValueAsUnsigned() == 0:
        return "%s empty" % extents
    if child(block, "device", "kind").GetValueAsUnsigned() != 0:
        return "%s cuda:%d" % (extents, child(block, "device", "index").GetValueAsSigned())
    name = (child(block, "name").GetSummary() or "").strip('"')
    data = child(block, "elements").Cast(type_of(value).GetTemplateArgumentType(0).GetPointerType())
    return with_elements(value, "%s cpu%s" % (extents, " (%s)" % name if name else ""), extents, data)


def view(value, _):
    value = plain(value)
    rank = rank_of(value)
    extents = numbers(child(value, "extents"), rank)
    return with_elements(value, str(extents), extents, child(value, "data"))


def shape(value, _):
    value = plain(value)
    rank = rank_of(value)
    return str(numbers(plain(child(value, "extents")), rank) if rank else [])


def __lldb_init_module(debugger, _):
    for name in ("tensor", "view", "shape"):
        debugger.HandleCommand("type summary add -w quern -F %s.%s -x '^quern::(v[0-9a-z_]+::)?%s<.*>$'" %
                               (__name__, name, name.capitalize()))
    debugger.HandleCommand("type category enable quern")
