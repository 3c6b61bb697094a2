update notification_hearings set remind_at = ? where remind_at is not null and ended_at is null and alert_id in ({list})
