update notifications
set state = ?, attempts = attempts + ?, last_error = coalesce(?, last_error), settled_at = ?, next_attempt_at = ?, reached = ?
where id = ? and state = 'pending'{filters}
