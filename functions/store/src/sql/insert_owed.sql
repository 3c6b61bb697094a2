insert into notifications_owed (alert_id, at, to_state, owed_at, look_at, planned_at)
values {rows}
{keep alert_id, at, to_state = alert_id}
