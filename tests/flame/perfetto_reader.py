# SPDX-License-Identifier: Apache-2.0
"""A trace as perfetto's own definitions read it, told as JSON. Runs in the virtual environment that has them."""

import collections
import json
import sys

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

with open(sys.argv[1], "rb") as f:
    DATA = f.read()
TRACE = Trace()
TRACE.ParseFromString(DATA)
tracks, open_slices, slices, instants, counters, flows = {}, collections.defaultdict(list), collections.Counter(), 0, 0, set()
last = {}
for packet in TRACE.packet:
    if packet.HasField("track_descriptor"):
        assert packet.track_descriptor.uuid not in tracks
        tracks[packet.track_descriptor.uuid] = packet.track_descriptor.name or packet.track_descriptor.thread.thread_name
        continue
    event = packet.track_event
    assert event.track_uuid in tracks, event
    flows.update(event.flow_ids)
    if event.type == event.TYPE_SLICE_BEGIN:
        open_slices[event.track_uuid].append((packet.timestamp, event.name))
    elif event.type == event.TYPE_SLICE_END:
        start, name = open_slices[event.track_uuid].pop()
        assert start <= packet.timestamp, name
        slices[(list(event.categories) or [tracks[event.track_uuid].split()[0]])[0] + ":" + name] += 1
    elif event.type == event.TYPE_INSTANT:
        instants += 1
    else:
        counters += 1
        last[tracks[event.track_uuid]] = event.counter_value
# What the definitions do not know would be dropped when it is written again.
print(json.dumps({"tracks": sorted(tracks.values()), "open": sum(map(len, open_slices.values())), "slices": slices,
                  "instants": instants, "counters": counters, "last": last, "n_flows": len(flows),
                  "same_bytes": len(TRACE.SerializeToString()) == len(DATA)}))
