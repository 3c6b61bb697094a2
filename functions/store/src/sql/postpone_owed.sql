update notifications_owed set look_at = ? where look_at is not null and alert_id in ({list})
