update reservation_sources
set tried_at = ?, problem = ?
where name = ? and holder = ?
