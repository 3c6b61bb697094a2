select owed.alert_id, owed.at, owed.to_state, owed.owed_at, steps.cause
from notifications_owed owed
join alert_transitions steps
    on steps.alert_id = owed.alert_id and steps.at = owed.at and steps.to_state = owed.to_state
where owed.look_at is not null
order by owed.look_at, owed.alert_id, owed.at
limit ?
