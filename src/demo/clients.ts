// Client addresses of the demo's traffic: a few from every continent, out of large consumer networks, so that the bundled
// GeoIP has something to say about each. They are only ever written into X-Forwarded-For; nothing is sent to them.

export const CLIENTS = [
  '84.128.20.7', // Germany
  '87.140.33.9', // Germany
  '90.12.55.4', // France
  '86.140.7.21', // United Kingdom
  '78.70.14.3', // Sweden
  '73.162.80.11', // United States
  '99.224.6.17', // Canada
  '177.32.9.40', // Brazil
  '126.20.44.5', // Japan
  '117.200.18.2', // India
  '119.74.31.8', // Singapore
  '1.128.99.12', // Australia
  '105.224.3.3', // South Africa
] as const;
