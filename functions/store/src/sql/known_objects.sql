select object_hash, outcome
from ingested_objects
where object_hash in ({list})
