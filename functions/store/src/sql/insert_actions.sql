insert into station_actions (id, host, kind, state, ordered_by, alert_id, reservation_id, approved_by, ordered_at, not_before, expires_at,
    issued_at, settled_at, message)
values {rows}
{keep id}
