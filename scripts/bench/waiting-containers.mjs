// Settings of the worker for rows that say whether containers wait.

/** No container is made ahead. A worker that knows no waiting containers does not know the variable either, and starts all alike. */
export const NO_WAITING_CONTAINERS = { KILNYARD_WAITING_MAX: '0' };
