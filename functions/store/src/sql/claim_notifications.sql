update notifications
set next_attempt_at = ?
where id in ({list})
