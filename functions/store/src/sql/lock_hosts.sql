select name, lab, address, mac, status, created_at, spelling, labs, catalog_order, ping_target, credential_ref,
    transport, heartbeat_path, events_path, mode, pin, source
from lab_hosts
order by name
{for update}
