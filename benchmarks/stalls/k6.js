import http from "k6/http";

export const options = {
  summaryTrendStats: ["med", "p(99)", "max"],
  scenarios: {
    fixed: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE_RPS),
      timeUnit: "1s",
      duration: `${__ENV.RUN_S}s`,
      preAllocatedVUs: Number(__ENV.USERS),
    },
  },
};

export default function () {
  http.get(__ENV.URL);
}
