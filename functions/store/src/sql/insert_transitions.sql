insert into alert_transitions (alert_id, at, to_state, from_state, actor, cause, note, acknowledged_until)
values {rows}
{keep alert_id, at, to_state = alert_id}
