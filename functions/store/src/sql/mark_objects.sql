insert into ingested_objects (object_hash, outcome, ingested_on)
values {rows}
{keep object_hash}
