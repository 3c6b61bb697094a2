update lab_station_heartbeat
set reservation_id = ?
where host = ? and timestamp_utc between ? and ?
