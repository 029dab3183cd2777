<?php
echo "served by PHP ", PHP_MAJOR_VERSION, " as uid ", posix_geteuid(), "\n";
