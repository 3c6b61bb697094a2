update alerts
set state = 'open', acknowledged_at = null, acknowledged_by = null, acknowledged_until = null, note = null,
    cause = case id {each when ? then coalesce(?, cause)} end
where state = 'acknowledged' and id in ({list})
