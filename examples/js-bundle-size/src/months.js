const NAMES_OF_MONTHS = {
  0: "January", 1: "February", 2: "March", 3: "April", 4: "May", 5: "June",
  6: "July", 7: "August", 8: "September", 9: "October", 10: "November", 11: "December",
};
const NAMES_OF_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
export const nameOfDay = (date) => NAMES_OF_DAYS[date.getUTCDay()];
export const MONTHS = Object.keys(NAMES_OF_MONTHS).map((number) => NAMES_OF_MONTHS[number]);
