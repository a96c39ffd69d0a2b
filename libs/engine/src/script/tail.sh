{ __k_code=$?; set +euxvC; } 2>/dev/null; __k_save 2>/dev/null; exit $__k_code
