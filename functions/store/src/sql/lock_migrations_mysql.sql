select get_lock(sha1(concat('stationkeeper migrations ', database())), ?)
