update local_mode_orders
set attempts = ?, next_attempt_at = ?, applied_at = ?, problem = ?
where host = ? and ordered_at = ?
