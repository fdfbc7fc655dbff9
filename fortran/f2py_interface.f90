! The flat face of the kernel that f2py compiles: explicit shapes, double precision, one status code.
! Nothing is computed here; ctsm_socnn.model is the only caller.

!> The vertical grid: node depths, thicknesses and interface depths (m).
subroutine grid(node, thickness, interface_bottom)
   use soil_grid, only: node_depth, layer_thickness, interface_depth, n_layers
   implicit none
   double precision, intent(out) :: node(20), thickness(20), interface_bottom(21)

   node = node_depth(1:n_layers)
   thickness = layer_thickness
   interface_bottom = interface_depth(0:n_layers)
end subroutine grid

!> Column records of the `proda` scheme from monthly forcing (proda_forcing).
subroutine proda_prepare(n, temperature, water, oxygen, nitrogen, thaw, thaw_last_year, bedrock, carbon_input, &
                         climate, exchange, annual_input)
   use proda_forcing, only: prepare_column
   implicit none
   integer, intent(in) :: n
   double precision, intent(in) :: temperature(20, 12, n), water(20, 12, n), oxygen(20, 12, n), nitrogen(20, 12, n)
   double precision, intent(in) :: thaw(12, n), thaw_last_year(12, n)
   integer, intent(in) :: bedrock(12, n)
   double precision, intent(in) :: carbon_input(12, 4, n)
   double precision, intent(out) :: climate(20, 12, 4, n), exchange(20, 6, n), annual_input(5, n)
   integer :: i
   !f2py threadsafe

   do i = 1, n
      call prepare_column(temperature(:, :, i), water(:, :, i), oxygen(:, :, i), nitrogen(:, :, i), thaw(:, i), &
                          thaw_last_year(:, i), bedrock(:, i), carbon_input(:, :, i), climate(:, :, :, i), &
                          exchange(:, :, i), annual_input(:, i))
   end do
end subroutine proda_prepare

!> Pools of the `proda` scheme at steady state (proda_batch).
subroutine proda_pools(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, pools)
   use proda_batch, only: batch_pools
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(out) :: pools(20, 7, n_rows)
   !f2py threadsafe

   call batch_pools(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, pools)
end subroutine proda_pools

!> Soil carbon of the `proda` scheme at steady state (proda_batch).
subroutine proda_soil_carbon(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, soc)
   use proda_batch, only: batch_soil_carbon
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(out) :: soc(20, n_rows)
   !f2py threadsafe

   call batch_soil_carbon(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, soc)
end subroutine proda_soil_carbon

!> Soil carbon of the `proda` scheme and the gradient of a function of it (proda_batch).
subroutine proda_gradient(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, soc_bar, threads, &
                          soc, parameters_bar, input_bar)
   use proda_batch, only: batch_gradient
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(in) :: soc_bar(20, n_rows)
   double precision, intent(out) :: soc(20, n_rows), parameters_bar(21, n_rows), input_bar(4, n_rows)
   !f2py threadsafe

   call batch_gradient(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, soc_bar, threads, soc, &
                       parameters_bar, input_bar)
end subroutine proda_gradient

!> Coefficients of the `proda` scheme (proda_batch).
subroutine proda_coefficients(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, scalar, &
                              litter_scalar, lower, upper, profile)
   use proda_batch, only: batch_coefficients
   implicit none
   integer, intent(in) :: n_columns, n_rows
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(out) :: scalar(20, n_rows), litter_scalar(20, n_rows)
   double precision, intent(out) :: lower(20, n_rows), upper(20, n_rows), profile(20, n_rows)
   !f2py threadsafe

   call batch_coefficients(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, scalar, &
                           litter_scalar, lower, upper, profile)
end subroutine proda_coefficients
