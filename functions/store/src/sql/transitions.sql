select alert_id, at, to_state, from_state, actor, cause, note, acknowledged_until
from alert_transitions
where alert_id = ?
order by at, case to_state when 'open' then 0 when 'acknowledged' then 1 else 2 end
