/** The steps of a duration in words: up to so many of a unit, in its words. Source: what `docker ps` shows. */
const secondsPerMinute = 60;
const secondsPerHour = 3600;
const hoursPerDay = 24;

/** "3 seconds", "About a minute", "2 weeks". Clients show it, some parse it. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < secondsPerMinute) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / secondsPerMinute);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  return longDuration(Math.trunc(ms / 1000 / secondsPerHour + 0.5));
}

function longDuration(hours: number): string {
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.trunc(hours / hoursPerDay);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.trunc(days / 7)} weeks`;
  if (days < 730) return `${Math.trunc(days / 30)} months`;
  return `${Math.trunc(days / 365)} years`;
}
