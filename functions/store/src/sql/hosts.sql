select name, lab, address, mac, status, created_at, spelling, labs, catalog_order, ping_target, credential_ref,
    transport, heartbeat_path, events_path, mode, pin, source
from lab_hosts
where 1 = 1{filters}
order by case when catalog_order is null then 1 else 0 end, catalog_order, name
