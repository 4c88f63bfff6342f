"""Device meshes, sharding rules, chips, and several processes that compute as one."""
