delete from reservation_forced_logoffs
where {any host = ? and timestamp = ? and user_key = ? and session_key = ? and occurrence = ?}
