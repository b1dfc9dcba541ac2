"""Gives MiniStack's streams shards that close as those of Kinesis do; for the process that calls `install`.

MiniStack splits and merges by dropping the shards with whatever they still hold, so a reader would lose records, and
KCL would never see the end of a shard. Here a split or merged shard is closed: its records stay until they expire, it
takes no new ones, a reader that has come to its end is told its children instead of a next iterator, and lists show it
with its last sequence number. UpdateShardCount is refused: it would drop them all.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import kinesis

Shard = dict[str, Any]
Stream = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

CLOSED = "ending_sequence_number"


def install() -> None:
    """Put these answers in the place of MiniStack's own, for this process."""
    originals = {name: getattr(kinesis, name) for name in ("_split_shard", "_merge_shards", "_get_records")}
    described = kinesis._describe_stream_summary

    def split(data: dict[str, Any]) -> Any:
        return _closing(data, [data.get("ShardToSplit")], originals["_split_shard"])

    def merge(data: dict[str, Any]) -> Any:
        return _closing(data, [data.get("ShardToMerge"), data.get("AdjacentShardToMerge")], originals["_merge_shards"])

    def summary(data: dict[str, Any]) -> Any:
        return _opened(data, described(data))

    def records(data: dict[str, Any]) -> Any:
        return _ended(originals["_get_records"](data))

    kinesis._split_shard, kinesis._merge_shards = split, merge
    kinesis._describe_stream_summary, kinesis._get_records = summary, records
    kinesis._route_to_shard, kinesis._list_shards = _route, _listed
    kinesis._shard_out = _shown(kinesis._shard_out)
    kinesis._update_shard_count = _refused


def _closing(data: dict[str, Any], parents: list[str | None], act: Any) -> Any:
    """What MiniStack does, with the parents put back as closed."""
    _, stream = kinesis._resolve_stream(data)
    shards: dict[str, Shard] = stream["shards"] if stream else {}
    before = dict(shards)
    if closed := [name for name in parents if name in before and CLOSED in before[name]]:
        return kinesis.error_response_json("ResourceInUseException", f"Shard {closed[0]} is closed", 400)
    answer = act(data)
    for name in parents:
        if answer[0] == 200 and name in before:
            shards[name] = before[name] | {CLOSED: kinesis._next_sequence_number()}
    return answer


def _route(hash_key: int, stream: Stream) -> str:
    """The open shard that takes a record."""
    for name, shard in stream["shards"].items():
        if CLOSED not in shard and int(shard["starting_hash_key"]) <= hash_key <= int(shard["ending_hash_key"]):
            return str(name)
    raise LookupError(f"no open shard for {hash_key}")


def _ended(answer: Answer) -> Answer:
    """An answer to GetRecords; at the end of a closed shard it names the children and no next iterator."""
    status, _, text = answer
    if status != 200:
        return answer
    body = json.loads(text)
    state = kinesis._shard_iterators[body["NextShardIterator"]]
    shards = kinesis._streams.get(state["stream"])["shards"]
    shard = shards[state["shard_id"]]
    if CLOSED not in shard or state["position"] < len(shard["records"]):
        return answer
    del body["NextShardIterator"]
    body["ChildShards"] = [
        {
            "ShardId": name,
            "ParentShards": _parents(child),
            "HashKeyRange": {
                "StartingHashKey": child["starting_hash_key"],
                "EndingHashKey": child["ending_hash_key"],
            },
        }
        for name, child in sorted(shards.items())
        if state["shard_id"] in _parents(child)
    ]
    found: Answer = kinesis.json_response(body)
    return found


def _listed(data: dict[str, Any]) -> Any:
    """ListShards with the filters that KCL and nearview use."""
    token = json.loads(data["NextToken"]) if data.get("NextToken") else {}
    name = token.get("stream") or data.get("StreamName")
    _, stream = kinesis._resolve_stream({"StreamName": name, "StreamARN": None if name else data.get("StreamARN")})
    if not stream:
        return kinesis.error_response_json("ResourceNotFoundException", f"Stream {name} not found", 400)
    kind = token.get("filter") or (data.get("ShardFilter") or {}).get("Type", "FROM_TRIM_HORIZON")
    shards: dict[str, Shard] = stream["shards"]
    names = [name for name in sorted(shards) if _is_asked_for(kind, shards, name) and name > token.get("after", "")]
    page = names[: data.get("MaxResults", 1000)]
    answer: dict[str, Any] = {"Shards": [kinesis._shard_out(name, shards[name]) for name in page]}
    if len(page) < len(names):
        answer["NextToken"] = json.dumps({"stream": stream["StreamName"], "filter": kind, "after": page[-1]})
    return kinesis.json_response(answer)


def _is_asked_for(kind: str, shards: dict[str, Shard], name: str) -> bool:
    if kind == "AT_LATEST":
        return CLOSED not in shards[name]
    return kind != "AT_TRIM_HORIZON" or not any(parent in shards for parent in _parents(shards[name]))


def _opened(data: dict[str, Any], answer: Answer) -> Any:
    status, _, text = answer
    _, stream = kinesis._resolve_stream(data)
    if status != 200 or not stream:
        return answer
    body = json.loads(text)
    open_shards = [shard for shard in stream["shards"].values() if CLOSED not in shard]
    body["StreamDescriptionSummary"]["OpenShardCount"] = len(open_shards)
    return kinesis.json_response(body)


def _shown(original: Any) -> Any:
    def shown(name: str, shard: Shard) -> dict[str, Any]:
        found: dict[str, Any] = original(name, shard)
        if CLOSED in shard:
            found["SequenceNumberRange"]["EndingSequenceNumber"] = shard[CLOSED]
        return found

    return shown


def _parents(shard: Shard) -> list[str]:
    return [name for name in (shard["parent_shard_id"], shard["adjacent_parent_shard_id"]) if name]


def _refused(_data: dict[str, Any]) -> Any:
    return kinesis.error_response_json("ValidationException", "split and merge shards one by one here", 400)
