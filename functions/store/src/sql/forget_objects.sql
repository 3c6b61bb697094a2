delete from ingested_objects
where object_hash in ({list})
