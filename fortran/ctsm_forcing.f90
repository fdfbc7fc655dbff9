!> Soil columns and their forcing in the callers' layout, and access to one column and record.
!>
!> Arrays have the column last, followed by the forcing record where there is one. A field with one record is constant.
module ctsm_forcing
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools
   implicit none (type, external)
   private

   public :: soil_column, soil_state, soil_columns, soil_forcing
   public :: column_of, state_of, fpi_of, thaw_of, input_of

   !> What does not change while a column runs.
   type :: soil_column
      integer :: nbedrock
      !> degrees north
      real(dp) :: latitude
      !> percent
      real(dp) :: sand(n_layers)
      !> gC gN-1 of each pool as a donor; 0 where a pool is taken to hold no nitrogen.
      real(dp) :: donor_cn(n_pools)
   end type soil_column

   !> What the rest of the land model hands to decomposition, one column, one step.
   type :: soil_state
      !> K, MPa
      real(dp) :: temperature(n_layers), water_potential(n_layers)
      !> Oxygen available over oxygen demanded, unsaturated and saturated part (1).
      real(dp) :: oxygen_unsaturated(n_layers), oxygen_saturated(n_layers)
      real(dp) :: inundated_fraction
   end type soil_state

   !> Many columns; `set` says which parameter set each runs with.
   type :: soil_columns
      integer, pointer, contiguous :: set(:) => null(), nbedrock(:) => null()
      real(dp), pointer, contiguous :: latitude(:) => null(), sand(:, :) => null(), donor_cn(:, :) => null()
   end type soil_columns

   !> (layer, column, record), or (column, record) for the last three; input is (layer, pool, column, record).
   type :: soil_forcing
      real(dp), dimension(:, :, :), pointer, contiguous :: temperature => null(), water_potential => null(), &
                                               oxygen_unsaturated => null(), oxygen_saturated => null(), fpi => null()
      real(dp), dimension(:, :), pointer, contiguous :: inundated_fraction => null(), altmax => null(), &
                                                        altmax_lastyear => null()
      real(dp), pointer, contiguous :: input(:, :, :, :) => null()
   end type soil_forcing

contains

   pure function column_of(columns, c) result(column)
      type(soil_columns), intent(in) :: columns
      integer, intent(in) :: c
      type(soil_column) :: column

      column = soil_column(columns%nbedrock(c), columns%latitude(c), columns%sand(:, c), columns%donor_cn(:, c))
   end function column_of

   pure function state_of(forcing, c, record) result(state)
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      type(soil_state) :: state

      state%temperature = forcing%temperature(:, c, min(record, size(forcing%temperature, 3)))
      state%water_potential = forcing%water_potential(:, c, min(record, size(forcing%water_potential, 3)))
      state%oxygen_unsaturated = forcing%oxygen_unsaturated(:, c, min(record, size(forcing%oxygen_unsaturated, 3)))
      state%oxygen_saturated = forcing%oxygen_saturated(:, c, min(record, size(forcing%oxygen_saturated, 3)))
      state%inundated_fraction = forcing%inundated_fraction(c, min(record, size(forcing%inundated_fraction, 2)))
   end function state_of

   !> Fraction of potential immobilisation.
   pure function fpi_of(forcing, c, record) result(fpi)
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      real(dp) :: fpi(n_layers)

      fpi = forcing%fpi(:, c, min(record, size(forcing%fpi, 3)))
   end function fpi_of

   !> Deepest thaw of this year and the last (m), by which the model chooses how soil is mixed.
   pure function thaw_of(forcing, c, record) result(thaw)
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      real(dp) :: thaw

      thaw = max(forcing%altmax(c, min(record, size(forcing%altmax, 2))), &
                 forcing%altmax_lastyear(c, min(record, size(forcing%altmax_lastyear, 2))))
   end function thaw_of

   !> Carbon input (gC m-3 s-1).
   pure function input_of(forcing, c, record) result(input)
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      real(dp) :: input(n_layers, n_pools)

      input = forcing%input(:, :, c, min(record, size(forcing%input, 4)))
   end function input_of

end module ctsm_forcing
