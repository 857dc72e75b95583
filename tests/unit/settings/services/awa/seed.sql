SELECT :rows;
