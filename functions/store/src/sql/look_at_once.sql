update notifications_owed set look_at = ? where look_at > ?
