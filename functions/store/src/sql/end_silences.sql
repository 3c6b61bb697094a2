update silences set ended_at = ? where ended_at is null and id in ({list})
