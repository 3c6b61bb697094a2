insert into lab_hosts (name, lab, address, mac, status, created_at, spelling, labs, catalog_order, ping_target,
    credential_ref, transport, heartbeat_path, events_path, mode, pin, source)
values {rows}
{upsert name} lab = {new lab}, address = {new address}, mac = {new mac}, status = {new status},
    spelling = {new spelling}, labs = {new labs}, catalog_order = {new catalog_order}, ping_target = {new ping_target},
    credential_ref = {new credential_ref}, transport = {new transport}, heartbeat_path = {new heartbeat_path},
    events_path = {new events_path}, mode = {new mode}, pin = {new pin}, source = {new source}
