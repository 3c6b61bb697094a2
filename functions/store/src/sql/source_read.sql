update reservation_sources
set tried_at = ?, read_at = ?, rows_read = ?, refused = ?, refused_rows = ?, problem = ?
where name = ? and holder = ?
