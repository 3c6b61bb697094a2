update station_actions
set state = ?, approved_by = ?, not_before = ?, claimed_by = ?, claimed_until = {epoch} + ?, issued_at = ?, settled_at = ?, message = ?
where id = ?
