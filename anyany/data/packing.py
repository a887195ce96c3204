"""Which samples share a row of the batch."""

from collections.abc import Sequence


def pack(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices of samples, row by row, so that no row is longer than ``max_tokens``: best-fit decreasing.

    The longest come first and each goes where the least room is left, which wastes little (at most 11/9 of the
    fewest rows possible, plus one: Johnson 1973). A sample longer than that gets a row of its own; whoever reads
    it refuses it there. Rooms left are kept as bits of one integer, so finding the best row is one shift.

    Cost: O(n log n) for the sorting, about a microsecond a sample for the rest.
    """
    rows: list[list[int]] = []
    rows_by_room: dict[int, list[int]] = {}
    rooms = 0  # bit r is set when some row has room r
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        fitting = rooms >> length if length <= max_tokens else 0
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = rows_by_room[room].pop()
            if not rows_by_room[room]:
                rooms ^= 1 << room
        else:
            row, room = len(rows), max(max_tokens, length)
            rows.append([])
        rows[row].append(index)
        room -= length
        rows_by_room.setdefault(room, []).append(row)
        rooms |= 1 << room
    return rows
