update reservation_forced_logoffs
set reservation_id = ?
where host = ? and timestamp between ? and ?
