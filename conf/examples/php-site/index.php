<?php
header("Content-Type: text/plain");
echo "It works, by PHP ", PHP_MAJOR_VERSION, "\n";
