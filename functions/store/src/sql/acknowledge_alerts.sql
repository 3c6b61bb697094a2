update alerts
set state = 'acknowledged',
    acknowledged_at = case id {each when ? then ?} end,
    acknowledged_by = case id {each when ? then ?} end,
    acknowledged_until = case id {each when ? then ?} end,
    note = case id {each when ? then ?} end
where state = 'open' and id in ({list})
