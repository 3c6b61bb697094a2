select object_key, object_version, host, reason, detail, first_bytes, size_bytes, arrived_at, quarantined_at,
    quarantine_key
from quarantined_objects
where 1 = 1{filters}
order by quarantined_at desc, object_key, object_version
limit ?
