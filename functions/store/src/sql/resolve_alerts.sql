update alerts
set state = 'resolved', resolved_at = case id {each when ? then ?} end
where state <> 'resolved' and id in ({list})
